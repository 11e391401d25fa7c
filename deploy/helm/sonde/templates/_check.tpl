{{/* What the schema cannot say of values that do not go together. */}}
{{- define "sonde.check" -}}
{{- $server := .Values.server -}}
{{- $agent := .Values.agent -}}
{{- if not (or $server.enabled $agent.enabled) -}}
{{- fail "server.enabled and agent.enabled are both false: there is nothing to install" -}}
{{- end -}}
{{- if $server.enabled -}}
{{- $given := compact (list $server.database.secretName $server.metrics.write $server.metrics.read) | len -}}
{{- if and (gt $given 0) (lt $given 3) -}}
{{- fail "server.database.secretName, server.metrics.write and server.metrics.read are given all or none: a server that keeps nothing by itself needs both stores" -}}
{{- end -}}
{{- if and (eq $given 0) (gt (int $server.replicas) 1) -}}
{{- fail (printf "server.replicas is %d: several servers share a database and a store of samples; give server.database.secretName, server.metrics.write and server.metrics.read" (int $server.replicas)) -}}
{{- end -}}
{{- if and (eq $given 3) .Values.networkPolicy.enabled (not .Values.networkPolicy.ports) -}}
{{- fail "networkPolicy.ports is empty: name the ports that the database and the store of samples listen on, such as [5432, 9090], or set networkPolicy.enabled to false" -}}
{{- end -}}
{{- if and $server.metrics.username (not $server.metrics.secretName) -}}
{{- fail "server.metrics.username is given without server.metrics.secretName, a secret with the key password" -}}
{{- end -}}
{{- if and $server.ingress.enabled (not $server.ingress.host) -}}
{{- fail "server.ingress.host is empty: an Ingress needs the name by which people reach it" -}}
{{- end -}}
{{- if and $server.tls.secretName (not $server.tls.enabled) -}}
{{- fail "server.tls.secretName is given and server.tls.enabled is false: which one?" -}}
{{- end -}}
{{- else -}}
{{- if not $agent.server -}}
{{- fail "agent.server is empty and server.enabled is false: name the server, such as https://sonde.example:7070" -}}
{{- end -}}
{{- if not .Values.joinToken.secretName -}}
{{- fail "joinToken.secretName is empty and server.enabled is false: put a join token of that server into a secret, in the key join-token" -}}
{{- end -}}
{{- end -}}
{{- end }}
