{{/* Of all that `helm test` makes. Not the operator's labels: services and policies go by those. */}}
{{- define "sparkiot.test.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "sparkiot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: sparkiot
{{- end -}}

{{/* Annotations of a hook. Takes its weight. A test that failed is left there, to be looked at. */}}
{{- define "sparkiot.test.hook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
