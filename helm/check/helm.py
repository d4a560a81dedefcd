"""As much of the command `helm` as docs/operate/kubernetes.md uses and as needs no cluster, on Helm's own engine: lint, template, show values, package.
`as-template install|upgrade ...` renders what these would install."""

import argparse
import sys

import helm_python
import yaml

from chart import merged


def values_from(args):
    values = {}
    for path in args.values:
        values = merged(values, helm_python.values_from_yaml(open(path).read()))
    for text in args.set:
        values = merged(values, helm_python.parse_set_string(text))
    return values


def main(words):
    if words[:1] == ["as-template"]:
        command, words = "template", words[2:]
    elif words[:2] == ["show", "values"]:
        command, words = "show", words[2:]
    else:
        command, words = words[0], words[1:]
    parser = argparse.ArgumentParser(prog="helm")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--values", "-f", action="append", default=[])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--namespace", "-n", default="default")
    parser.add_argument("--show-only", "-s", default="")
    parser.add_argument("--destination", "-d", default=".")
    # These say how a cluster is waited for.
    for flag in ("--install", "--create-namespace", "--wait", "--rollback-on-failure", "--strict"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--timeout")
    args = parser.parse_args(words)
    folder = args.names[-1]
    if command == "template":
        [name, folder] = args.names
        rendered = helm_python.Chart.load(folder).render(values_from(args), name=name, namespace=args.namespace)
        wanted = [(path, text) for path, text in sorted(rendered.items()) if path.endswith(".yaml") and text.strip()]
        if args.show_only:
            wanted = [(path, text) for path, text in wanted if path.endswith(args.show_only)]
            if not wanted:
                sys.exit(f"Error: could not find template {args.show_only} in chart")
        for path, text in wanted:
            list(yaml.safe_load_all(text))
            print(f"---\n# Source: {path}\n{text}")
    elif command == "lint":
        report = helm_python.lint(folder, values_from(args), strict=args.strict)
        for message in report["messages"]:
            print(message)
        if report["errors"]:
            sys.exit("\n".join(report["errors"]))
    elif command == "show":
        print(open(f"{folder}/values.yaml").read())
    elif command == "package":
        print(helm_python.package(folder, args.destination))
    else:
        sys.exit(f"helm {command} is not to be had here: mark the block as `sh cluster`")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except helm_python.HelmError as error:
        sys.exit(f"Error: {error}")
