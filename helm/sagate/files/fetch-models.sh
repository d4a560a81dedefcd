#!/bin/sh
# fetch-models.sh LIST FOLDER
#
# LIST has a line `SHA256 URL` for each archive of NAME/VERSION/ folders. Each is fetched by rclone, checked and unpacked into FOLDER. What
# is wrong ends it at once: the pod does not start, and the log says which archive it was. Credentials come from the environment, as
# rclone reads them.
set -eu
list=$1
folder=$2

# What an earlier try left may be half of a model.
find "$folder" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
archive=$folder/.archive

while read -r sum url; do
    [ -n "$sum" ] || continue
    echo "fetching $url"
    case $url in
        s3://*) rclone copyto ":s3,env_auth=true:${url#s3://}" "$archive" ;;
        gs://*) rclone copyto ":gcs,env_auth=true:${url#gs://}" "$archive" ;;
        http://* | https://*) rclone copyurl "$url" "$archive" ;;
        *) echo "$url: not s3://, gs://, https:// or http://" >&2 && exit 1 ;;
    esac
    found=$(sha256sum "$archive" | cut -d' ' -f1)
    if [ "$found" != "$sum" ]; then
        echo "$url: its SHA-256 is $found, not $sum" >&2
        exit 1
    fi
    case $url in
        *.tar) tar -xf "$archive" -C "$folder" ;;
        *) tar -xzf "$archive" -C "$folder" ;;
    esac
    rm -f "$archive"
done <"$list"
echo "the models are in $folder"
