{{/* The pod, the same for Deployment and StatefulSet. */}}
{{- define "sagate.pod" -}}
{{- $v := .Values -}}
{{- $via := include "sagate.readinessVia" . -}}
{{- $adminScheme := ternary "HTTPS" "HTTP" (eq (include "sagate.adminTls" .) "true") -}}
metadata:
  annotations:
    # Settings are read at the start only: other settings, other pods.
    checksum/config: {{ include "sagate.files" . | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- include "sagate.podLabels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "sagate.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $v.podSecurityContext | nindent 4 }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- if and $v.gpu.enabled $v.gpu.runtimeClassName }}
  runtimeClassName: {{ $v.gpu.runtimeClassName | quote }}
  {{- end }}
  {{- $shutdown := include "sagate.setting" (list . "server" "shutdown_seconds" 30) | int }}
  terminationGracePeriodSeconds: {{ add $shutdown $v.drain.preStopSeconds $v.drain.graceSeconds }}
  {{- if eq $v.models.source "download" }}
  initContainers:
    - name: fetch-models
      image: {{ include "sagate.reference" (dict "image" $v.models.download.image "tag" $v.models.download.image.tag) | quote }}
      imagePullPolicy: {{ $v.models.download.image.pullPolicy }}
      command: [sh, /etc/sagate/fetch-models.sh, /etc/sagate/archives.txt, /models]
      env:
        # rclone wants a home for its settings, of which there are none.
        - name: RCLONE_CONFIG
          value: /tmp/rclone.conf
        {{- with $v.models.download.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.models.download.credentialsSecret }}
      envFrom:
        - secretRef:
            name: {{ . | quote }}
      {{- end }}
      securityContext:
        {{- toYaml $v.securityContext | nindent 8 }}
      resources:
        {{- toYaml $v.models.download.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/sagate/archives.txt
          subPath: archives.txt
          readOnly: true
        - name: config
          mountPath: /etc/sagate/fetch-models.sh
          subPath: fetch-models.sh
          readOnly: true
        - name: models
          mountPath: /models
        - name: tmp
          mountPath: /tmp
    {{- if $v.models.download.verify }}
    - name: verify-models
      image: {{ include "sagate.image" . | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [--models, /models, model, verify]
      securityContext:
        {{- toYaml $v.securityContext | nindent 8 }}
      resources:
        {{- toYaml $v.models.download.resources | nindent 8 }}
      volumeMounts:
        - name: models
          mountPath: /models
          readOnly: true
        - name: tmp
          mountPath: /tmp
    {{- end }}
  {{- end }}
  containers:
    - name: sagate
      image: {{ include "sagate.image" . | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [--config, /etc/sagate/sagate.toml, serve]
      {{- if or $v.gpu.enabled $v.extraEnv }}
      env:
        {{- if $v.gpu.enabled }}
        # Where CUDA keeps what it compiled: the root file system cannot be written.
        - name: CUDA_CACHE_PATH
          value: /tmp/cuda
        {{- end }}
        {{- with $v.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - name: grpc
          containerPort: {{ $v.ports.grpc }}
          protocol: TCP
        {{- if $v.http.enabled }}
        - name: http
          containerPort: {{ $v.ports.http }}
          protocol: TCP
        {{- end }}
        - name: admin
          containerPort: {{ $v.ports.admin }}
          protocol: TCP
      # The process answers here as soon as every model has been read and checked.
      startupProbe:
        httpGet: {path: /healthz, port: admin, scheme: {{ $adminScheme }}}
        {{- toYaml $v.probes.startup | nindent 8 }}
      readinessProbe:
        {{- if eq $via "http" }}
        httpGet: {path: /readyz, port: admin, scheme: {{ $adminScheme }}}
        {{- else if eq $via "grpc" }}
        grpc:
          port: {{ $v.ports.grpc }}
          service: {{ $v.probes.model | quote }}
        {{- else }}
        {{- $scheme := ternary "https" "http" (eq (include "sagate.tls" .) "true") }}
        exec:
          command:
            - /usr/bin/sagate
            - health
            - --server={{ $scheme }}://localhost:{{ $v.ports.grpc }}
            {{- if eq $scheme "https" }}
            - --ca=/etc/sagate/tls/ca.crt
            {{- end }}
            - --timeout={{ $v.probes.readiness.timeoutSeconds | default 1 }}
            {{- with $v.probes.model }}
            - --service={{ . }}
            {{- end }}
        {{- end }}
        {{- toYaml $v.probes.readiness | nindent 8 }}
      # Not readiness: a replica that drains, or waits for a model, must not be killed for it.
      livenessProbe:
        httpGet: {path: /healthz, port: admin, scheme: {{ $adminScheme }}}
        {{- toYaml $v.probes.liveness | nindent 8 }}
      {{- if $v.drain.preStopSeconds }}
      lifecycle:
        preStop:
          # Endpoints learn of the end while the replica still answers; the image has no shell for a `sleep` of its own.
          sleep:
            seconds: {{ $v.drain.preStopSeconds }}
      {{- end }}
      securityContext:
        {{- toYaml $v.securityContext | nindent 8 }}
      resources:
        {{- $resources := deepCopy $v.resources }}
        {{- if $v.gpu.enabled }}
        {{- $limits := merge (dict $v.gpu.resource $v.gpu.count) (get $resources "limits" | default dict) }}
        {{- $_ := set $resources "limits" $limits }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/sagate/sagate.toml
          subPath: sagate.toml
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if ne $v.models.source "image" }}
        - name: models
          mountPath: /models
          readOnly: true
          {{- if and (eq $v.models.source "pvc") $v.models.pvc.subPath }}
          subPath: {{ $v.models.pvc.subPath | quote }}
          {{- end }}
        {{- end }}
        {{- if include "sagate.tls" . }}
        # Whole folders, not single files: so a renewed certificate or token comes in without a restart.
        - name: tls
          mountPath: /etc/sagate/tls
          readOnly: true
        {{- if $v.tls.client.caSecret }}
        - name: client-ca
          mountPath: /etc/sagate/client-ca
          readOnly: true
        {{- end }}
        {{- end }}
        {{- if $v.auth.tokensSecret }}
        - name: tokens
          mountPath: /etc/sagate/tokens
          readOnly: true
        {{- end }}
        {{- if $v.auth.jwksCaSecret }}
        - name: jwks-ca
          mountPath: /etc/sagate/jwks-ca
          readOnly: true
        {{- end }}
        {{- if $v.audit.enabled }}
        - name: audit
          mountPath: /var/log/sagate
        {{- end }}
        {{- with $v.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "sagate.fullname" . | quote }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ $v.tmpSizeLimit | quote }}
    {{- if eq $v.models.source "pvc" }}
    - name: models
      persistentVolumeClaim:
        claimName: {{ $v.models.pvc.claimName | quote }}
        readOnly: true
    {{- else if eq $v.models.source "imageVolume" }}
    - name: models
      image:
        reference: {{ $v.models.imageVolume.reference | quote }}
        pullPolicy: {{ $v.models.imageVolume.pullPolicy }}
    {{- else if eq $v.models.source "download" }}
    - name: models
      emptyDir:
        sizeLimit: {{ $v.models.download.sizeLimit | quote }}
    {{- else if eq $v.models.source "configMap" }}
    - name: models
      configMap:
        name: {{ $v.models.configMap.name | quote }}
        items:
          {{- toYaml $v.models.configMap.items | nindent 10 }}
    {{- end }}
    {{- if include "sagate.tls" . }}
    - name: tls
      secret:
        secretName: {{ include "sagate.tlsSecret" . | quote }}
        defaultMode: 0440
    {{- if $v.tls.client.caSecret }}
    - name: client-ca
      secret:
        secretName: {{ $v.tls.client.caSecret | quote }}
        defaultMode: 0440
        items:
          - key: {{ $v.tls.client.caKey | quote }}
            path: ca.pem
    {{- end }}
    {{- end }}
    {{- if $v.auth.tokensSecret }}
    - name: tokens
      secret:
        secretName: {{ $v.auth.tokensSecret | quote }}
        defaultMode: 0440
        items:
          - key: {{ $v.auth.tokensKey | quote }}
            path: tokens.txt
    {{- end }}
    {{- if $v.auth.jwksCaSecret }}
    - name: jwks-ca
      secret:
        secretName: {{ $v.auth.jwksCaSecret | quote }}
        defaultMode: 0440
        items:
          - key: {{ $v.auth.jwksCaKey | quote }}
            path: ca.pem
    {{- end }}
    {{- if and $v.audit.enabled (not $v.audit.persistence.enabled) }}
    - name: audit
      emptyDir:
        sizeLimit: {{ $v.audit.persistence.size | quote }}
    {{- end }}
    {{- with $v.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $tolerations := $v.tolerations }}
  {{- if and $v.gpu.enabled $v.gpu.toleration }}
  {{- $tolerations = append $tolerations (dict "key" $v.gpu.resource "operator" "Exists" "effect" "NoSchedule") }}
  {{- end }}
  {{- with $tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $selector := dict "labelSelector" (dict "matchLabels" (fromYaml (include "sagate.selectorLabels" $))) }}
    - {{- toYaml (merge (deepCopy .) $selector) | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end -}}
