{{/* Names. */}}
{{- define "sagate.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that `-headless` and a pod's ordinal still fit into 63 characters. */}}
{{- define "sagate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "sagate.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sagate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sagate.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "sagate.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "sagate.fullname" .)) -}}
{{- end -}}

{{/* Labels, by the recommendation of Kubernetes. */}}
{{- define "sagate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sagate.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: server
{{- end -}}

{{/* What `commonLabels` names twice counts as the chart has it: selectors must stay what they are. */}}
{{- define "sagate.labels" -}}
{{- $own := fromYaml (include "sagate.selectorLabels" .) -}}
{{- $_ := set $own "app.kubernetes.io/version" (.Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-._") -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "sagate" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* Of the pods: nothing that a new chart alone would change, for that would replace every pod. */}}
{{- define "sagate.podLabels" -}}
{{- $own := omit (fromYaml (include "sagate.labels" .)) "helm.sh/chart" "app.kubernetes.io/managed-by" -}}
{{- toYaml (merge $own .Values.podLabels) -}}
{{- end -}}

{{- define "sagate.image" -}}
{{- $image := .Values.image -}}
{{- $tag := printf "%s%s" ($image.tag | default .Chart.AppVersion) (ternary .Values.gpu.tagSuffix "" .Values.gpu.enabled) -}}
{{- include "sagate.reference" (dict "image" $image "tag" $tag) -}}
{{- end -}}

{{/* An image's full name: .image with registry, repository and digest, and .tag. */}}
{{- define "sagate.reference" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" .image.registry .image.repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name .tag -}}
{{- end -}}
{{- end -}}

{{/* Deployment or StatefulSet. */}}
{{- define "sagate.kind" -}}
{{- if ne .Values.workload.kind "auto" -}}
{{- .Values.workload.kind -}}
{{- else -}}
{{- ternary "StatefulSet" "Deployment" (and .Values.audit.enabled .Values.audit.persistence.enabled) -}}
{{- end -}}
{{- end -}}

{{- define "sagate.tls" -}}
{{- if has .Values.tls.mode (list "certManager" "secret") -}}true{{- end -}}
{{- end -}}

{{- define "sagate.adminTls" -}}
{{- if and (include "sagate.tls" .) .Values.tls.admin -}}true{{- end -}}
{{- end -}}

{{/* How readiness is asked. */}}
{{- define "sagate.readinessVia" -}}
{{- $probes := .Values.probes -}}
{{- if ne $probes.via "auto" -}}
{{- $probes.via -}}
{{- else if not $probes.model -}}
http
{{- else -}}
{{- ternary "exec" "grpc" (eq (include "sagate.tls" .) "true") -}}
{{- end -}}
{{- end -}}

{{/* A setting of `config`, or sagate's own default: list . SECTION KEY DEFAULT. */}}
{{- define "sagate.setting" -}}
{{- $section := get (index . 0).Values.config (index . 1) | default dict -}}
{{- /* By toJson, as a template writes large whole numbers with an exponent. */ -}}
{{- if hasKey $section (index . 2) -}}{{- get $section (index . 2) | toJson -}}{{- else -}}{{- index . 3 | toJson -}}{{- end -}}
{{- end -}}

{{/* What the ConfigMap holds, by file. */}}
{{- define "sagate.files" -}}
sagate.toml: |
  {{- include "sagate.toml" . | nindent 2 }}
{{- if eq .Values.models.source "download" }}
archives.txt: |
  {{- range .Values.models.download.archives }}
  {{ .sha256 }} {{ .url }}
  {{- end }}
fetch-models.sh: |
  {{- .Files.Get "files/fetch-models.sh" | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Everything that must be right between values, which a schema cannot say. Included once, by the ConfigMap. */}}
{{- define "sagate.check" -}}
{{- $v := .Values -}}
{{- if not $v.tls.mode -}}
{{- fail (print
  "tls.mode must be given: `certManager` (cert-manager makes the certificate), `secret` (tls.secretName holds it), or `insecure` (a "
  "mesh or a gateway encrypts, or nothing real is sent)"
) -}}
{{- end -}}
{{- if and (eq $v.tls.mode "secret") (not $v.tls.secretName) -}}
{{- fail "tls.secretName must be given where tls.mode is `secret`: a Secret of type kubernetes.io/tls" -}}
{{- end -}}
{{- if and (eq $v.tls.mode "certManager") (not $v.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name must be given where tls.mode is `certManager`" -}}
{{- end -}}
{{- if and $v.tls.client.caSecret (not (include "sagate.tls" .)) -}}
{{- fail "tls.client.caSecret: client certificates need TLS, and tls.mode is `insecure`" -}}
{{- end -}}
{{- if and $v.tls.client.required (not $v.tls.client.caSecret) -}}
{{- fail "tls.client.required needs tls.client.caSecret: nobody could be believed" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled $v.keda.enabled -}}
{{- fail "autoscaling.enabled and keda.enabled: only one of them can decide how many replicas there are" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- $goals := list $v.autoscaling.cpuPercent $v.autoscaling.queue.target $v.autoscaling.gpuDuty.target $v.autoscaling.extraMetrics -}}
{{- if and $v.autoscaling.enabled (not (compact $goals)) -}}
{{- fail "autoscaling: nothing to go by; give cpuPercent, queue.target, gpuDuty.target or extraMetrics" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled $v.autoscaling.cpuPercent (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- fail "autoscaling.cpuPercent is a share of resources.requests.cpu, which is not given" -}}
{{- end -}}
{{- if and $v.keda.enabled (gt (int $v.keda.minReplicas) (int $v.keda.maxReplicas)) -}}
{{- fail "keda.minReplicas is greater than keda.maxReplicas" -}}
{{- end -}}
{{- if and $v.keda.enabled (not (or $v.keda.queueTarget $v.keda.cpuPercent $v.keda.extraTriggers)) -}}
{{- fail "keda: nothing to go by; give queueTarget, cpuPercent or extraTriggers" -}}
{{- end -}}
{{- if and $v.keda.enabled $v.keda.queueTarget (not $v.keda.prometheusAddress) -}}
{{- fail "keda.prometheusAddress must be given where keda.queueTarget is" -}}
{{- end -}}
{{- if and $v.keda.enabled (not $v.keda.minReplicas) (not $v.keda.extraTriggers) -}}
{{- fail (print
  "keda.minReplicas is 0: without a replica there is no queue and no CPU to see, and nothing would start one again; give 1, or "
  "extraTriggers that can"
) -}}
{{- end -}}
{{- $budget := $v.podDisruptionBudget -}}
{{- if and $budget.enabled (eq (toString $budget.minAvailable) "") (eq (toString $budget.maxUnavailable) "") -}}
{{- fail "podDisruptionBudget: give minAvailable or maxUnavailable" -}}
{{- end -}}
{{- if and $v.audit.persistence.enabled (not $v.audit.enabled) -}}
{{- fail "audit.persistence.enabled without audit.enabled: there would be nothing to keep" -}}
{{- end -}}
{{- if and $v.audit.persistence.enabled (eq $v.workload.kind "Deployment") -}}
{{- fail "audit.persistence.enabled needs a StatefulSet: workload.kind `Deployment` has no volume of its own for each replica" -}}
{{- end -}}
{{- $source := $v.models.source -}}
{{- if and (eq $source "pvc") (not $v.models.pvc.claimName) -}}
{{- fail "models.pvc.claimName must be given where models.source is `pvc`" -}}
{{- end -}}
{{- if and (eq $source "imageVolume") (not $v.models.imageVolume.reference) -}}
{{- fail "models.imageVolume.reference must be given where models.source is `imageVolume`" -}}
{{- end -}}
{{- if and (eq $source "download") (not $v.models.download.archives) -}}
{{- fail "models.download.archives must be given where models.source is `download`" -}}
{{- end -}}
{{- if eq $source "configMap" -}}
{{- if or (not $v.models.configMap.name) (not $v.models.configMap.items) -}}
{{- fail "models.configMap.name and models.configMap.items must be given where models.source is `configMap`" -}}
{{- end -}}
{{- end -}}
{{- $via := include "sagate.readinessVia" . -}}
{{- if and (eq $via "grpc") (include "sagate.tls" .) -}}
{{- fail "probes.via `grpc`: Kubernetes asks over gRPC without TLS only; take `auto`, `http` or `exec`" -}}
{{- end -}}
{{- if and (eq $via "http") $v.probes.model -}}
{{- fail "probes.model needs probes.via `auto`, `grpc` or `exec`: /readyz knows no single model" -}}
{{- end -}}
{{- if and (eq $via "exec") $v.tls.client.required -}}
{{- fail "probes.via `exec` has no client certificate, and tls.client.required asks for one; take `http`" -}}
{{- end -}}
{{- if and $v.grpcRoute.enabled (not $v.grpcRoute.parentRefs) -}}
{{- fail "grpcRoute.parentRefs must name a gateway" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- fail "ingress.hosts must name a host" -}}
{{- end -}}
{{- if $v.ingress.enabled -}}
{{- range $v.ingress.hosts -}}
{{- range .paths -}}
{{- if and (eq .port "http") (not $v.http.enabled) -}}
{{- fail "ingress.hosts: a path goes to port `http`, and http.enabled is false" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports := list (int $v.ports.grpc) (int $v.ports.admin) -}}
{{- if $v.http.enabled -}}{{- $ports = append $ports (int $v.ports.http) -}}{{- end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail "ports: grpc, http and admin must differ" -}}
{{- end -}}
{{- end -}}

{{/*
sagate.toml: the settings of `config` and those that follow from other values. Written out here and not by toToml, which would write whole
numbers as floats.
*/}}
{{- define "sagate.toml" -}}
{{- $v := .Values -}}
{{- $config := deepCopy $v.config -}}
{{- range $section := list "models" "server" "tls" "auth" "audit" "device" -}}
{{- if not (hasKey $config $section) -}}{{- $_ := set $config $section dict -}}{{- end -}}
{{- end -}}
{{- $_ := set $config.models "dir" "/models" -}}
{{- $_ := set $config.server "listen" (printf "%s:%d" $v.listenAddress (int $v.ports.grpc)) -}}
{{- $_ := set $config.server "admin" (printf "%s:%d" $v.listenAddress (int $v.ports.admin)) -}}
{{- if $v.http.enabled -}}
{{- $_ := set $config.server "http" (printf "%s:%d" $v.listenAddress (int $v.ports.http)) -}}
{{- end -}}
{{- if not (hasKey $config.device "kind") -}}
{{- $_ := set $config.device "kind" (ternary "cuda" "cpu" $v.gpu.enabled) -}}
{{- end -}}
{{- if include "sagate.tls" . -}}
{{- $_ := set $config.tls "cert" "/etc/sagate/tls/tls.crt" -}}
{{- $_ := set $config.tls "key" "/etc/sagate/tls/tls.key" -}}
{{- $_ := set $config.tls "admin" $v.tls.admin -}}
{{- if $v.tls.client.caSecret -}}
{{- $_ := set $config.tls "client_ca" "/etc/sagate/client-ca/ca.pem" -}}
{{- $_ := set $config.tls "client_required" $v.tls.client.required -}}
{{- end -}}
{{- end -}}
{{- if not (include "sagate.adminTls" .) -}}
{{- /* sagate has one switch for every port: with tls.mode other than insecure, gRPC and HTTP speak TLS all the same. */ -}}
{{- $_ := set $config.server "insecure" true -}}
{{- end -}}
{{- if $v.auth.tokensSecret -}}
{{- $_ := set $config.auth "tokens" "/etc/sagate/tokens/tokens.txt" -}}
{{- end -}}
{{- if $v.auth.jwksCaSecret -}}
{{- $_ := set $config.auth "jwks_ca" "/etc/sagate/jwks-ca/ca.pem" -}}
{{- end -}}
{{- if $v.audit.enabled -}}
{{- $_ := set $config.audit "file" "/var/log/sagate/audit.jsonl" -}}
{{- end -}}
{{- $lines := list -}}
{{- range $section := keys $config | sortAlpha -}}
{{- $keys := get $config $section -}}
{{- $tables := dict -}}
{{- if eq $section "serving" -}}
{{- range $model, $of := $keys -}}{{- $_ := set $tables (printf "serving.%s" ($model | toJson)) $of -}}{{- end -}}
{{- else if $keys -}}
{{- $_ := set $tables $section $keys -}}
{{- end -}}
{{- range $table := keys $tables | sortAlpha -}}
{{- $lines = append $lines (printf "[%s]" $table) -}}
{{- $of := get $tables $table -}}
{{- range $key := keys $of | sortAlpha -}}
{{- $lines = append $lines (printf "%s = %s" $key (get $of $key | toJson)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end -}}
