{{/* The pod of the server, which StatefulSet and Deployment have in common. */}}
{{- define "sonde.serverPod" -}}
{{- $server := .Values.server -}}
{{- $external := include "sonde.external" . -}}
{{- $scheme := include "sonde.scheme" . | upper -}}
metadata:
  labels:
    {{- include "sonde.podLabels" (list . "server") | nindent 4 }}
  {{- with $server.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "sonde.nobody" . | nindent 4 }}
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
  # What is under way gets 10 s once the server stops, then all is flushed.
  terminationGracePeriodSeconds: 60
  {{- if $external }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "sonde.selector" (list $ "server") | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with $server.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $server.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $server.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: server
      image: {{ include "sonde.image" (list . $server.image) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - server
        - --data-dir=/data
        - --listen=:7070
        - --public-url={{ include "sonde.publicURL" . }}
        - --join-token-file=/secrets/join/join-token
        - --admin-token-file=/secrets/admin/admin-token
        {{- if $server.tls.enabled }}
        - --tls-cert=/secrets/tls/tls.crt
        - --tls-key=/secrets/tls/tls.key
        {{- else }}
        - --tls=off
        {{- end }}
        {{- if $external }}
        - --database-file=/secrets/database/url
        {{- with $server.metrics }}
        - --metrics-write={{ .write }}
        - --metrics-read={{ .read }}
        - --metrics-histograms={{ .histograms }}
        {{- range .headers }}
        - {{ printf "--metrics-header=%s" . | quote }}
        {{- end }}
        {{- if .username }}
        - {{ printf "--metrics-username=%s" .username | quote }}
        - --metrics-password-file=/secrets/metrics/password
        {{- else if .secretName }}
        - --metrics-bearer-token-file=/secrets/metrics/token
        {{- end }}
        {{- end }}
        {{- else }}
        - --retention={{ $server.retention }}
        {{- end }}
        {{- range $server.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      {{- with $server.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: sonde
          containerPort: 7070
      # Readiness does not ask for /readyz: that is 503 while the store of samples
      # is away, which is so for all servers at once, and nobody could open the web
      # application just when it is needed. Agents keep what cannot be stored.
      # One of several must be able to store once, though, before it takes the place
      # of an old one.
      startupProbe:
        httpGet: {path: {{ ternary "/readyz" "/healthz" (not (empty $external)) }}, port: sonde, scheme: {{ $scheme }}}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 300
      readinessProbe:
        httpGet: {path: /healthz, port: sonde, scheme: {{ $scheme }}}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: /healthz, port: sonde, scheme: {{ $scheme }}}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      {{- if $external }}
      lifecycle:
        # Until the Service has sent its clients elsewhere; agents that are told to
        # connect anew then reach another server at once.
        preStop: {sleep: {seconds: 5}}
      {{- end }}
      securityContext:
        {{- include "sonde.confined" . | nindent 8 }}
      resources:
        {{- toYaml $server.resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: join-token, mountPath: /secrets/join, readOnly: true}
        - {name: admin-token, mountPath: /secrets/admin, readOnly: true}
        {{- if $server.tls.enabled }}
        - {name: tls, mountPath: /secrets/tls, readOnly: true}
        {{- end }}
        {{- if $external }}
        - {name: database, mountPath: /secrets/database, readOnly: true}
        {{- if $server.metrics.secretName }}
        - {name: metrics, mountPath: /secrets/metrics, readOnly: true}
        {{- end }}
        {{- end }}
  volumes:
    {{- if $external }}
    - {name: data, emptyDir: {}}
    {{- end }}
    - {name: join-token, secret: {secretName: {{ include "sonde.joinSecret" . }}, defaultMode: 0440}}
    - {name: admin-token, secret: {secretName: {{ include "sonde.adminSecret" . }}, defaultMode: 0440}}
    {{- if $server.tls.enabled }}
    - {name: tls, secret: {secretName: {{ include "sonde.tlsSecret" . }}, defaultMode: 0440}}
    {{- end }}
    {{- if $external }}
    - {name: database, secret: {secretName: {{ $server.database.secretName }}, defaultMode: 0440}}
    {{- with $server.metrics.secretName }}
    - {name: metrics, secret: {secretName: {{ . }}, defaultMode: 0440}}
    {{- end }}
    {{- end }}
{{- end }}
