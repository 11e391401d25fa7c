{{/* The name of the release, with the chart's unless it says so already. */}}
{{- define "sonde.name" -}}
{{- $name := ternary .Release.Name (printf "%s-sonde" .Release.Name) (contains "sonde" .Release.Name) -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "sonde.server" -}}{{ include "sonde.name" . }}-server{{- end }}
{{- define "sonde.agent" -}}{{ include "sonde.name" . }}-agent{{- end }}

{{/* What never changes of a component's labels: (list . "server") */}}
{{- define "sonde.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: sonde
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Of a pod: nothing that changes with the chart alone. */}}
{{- define "sonde.podLabels" -}}
{{- $ := index . 0 -}}
{{ include "sonde.selector" . }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sonde.labels" -}}
{{- $ := index . 0 -}}
{{ include "sonde.podLabels" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ $.Chart.Name }}-{{ $.Chart.Version }}
{{- end }}

{{/* (list . "sonde-server") */}}
{{- define "sonde.image" -}}
{{- $ := index . 0 -}}
{{- with $.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ index . 1 }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
{{- end }}

{{/* Not empty when the server keeps nothing by itself. */}}
{{- define "sonde.external" -}}
{{- if .Values.server.database.secretName }}true{{ end -}}
{{- end }}

{{- define "sonde.scheme" -}}{{ ternary "https" "http" .Values.server.tls.enabled }}{{- end }}

{{/* Where the server is within the cluster. */}}
{{- define "sonde.serviceURL" -}}
{{ include "sonde.scheme" . }}://{{ include "sonde.server" . }}.{{ .Release.Namespace }}.svc:{{ .Values.server.service.port }}
{{- end }}

{{- define "sonde.publicURL" -}}
{{- with .Values.server -}}
{{- if .publicURL }}{{ .publicURL }}
{{- else if .ingress.enabled }}{{ ternary "https" "http" (not (empty .ingress.tlsSecretName)) }}://{{ .ingress.host }}
{{- else }}{{ include "sonde.serviceURL" $ }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sonde.joinSecret" -}}{{ .Values.joinToken.secretName | default (printf "%s-join-token" (include "sonde.name" .)) }}{{- end }}
{{- define "sonde.adminSecret" -}}{{ .Values.adminToken.secretName | default (printf "%s-admin-token" (include "sonde.name" .)) }}{{- end }}
{{- define "sonde.tlsSecret" -}}{{ .Values.server.tls.secretName | default (printf "%s-tls" (include "sonde.server" .)) }}{{- end }}

{{/* Not empty when the chart makes the certificate. */}}
{{- define "sonde.ownTLS" -}}
{{- if and .Values.server.enabled .Values.server.tls.enabled (not .Values.server.tls.secretName) }}true{{ end -}}
{{- end }}

{{/* The ConfigMap with what agents trust; empty: what the system does. */}}
{{- define "sonde.ca" -}}
{{- if .Values.agent.caConfigMap }}{{ .Values.agent.caConfigMap }}
{{- else if and (include "sonde.ownTLS" .) (not .Values.agent.server) }}{{ include "sonde.name" . }}-ca
{{- end }}
{{- end }}

{{/* Both containers of Sonde run as nobody in particular, with no right. */}}
{{- define "sonde.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "sonde.nobody" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
