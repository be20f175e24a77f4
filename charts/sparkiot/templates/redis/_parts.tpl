{{- define "sparkiot.redis.name" -}}
{{ include "sparkiot.fullname" . }}-redis
{{- end -}}

{{- define "sparkiot.redis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sparkiot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: redis
{{- end -}}

{{- define "sparkiot.redis.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "sparkiot.redis.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: sparkiot
{{- end -}}

{{/* The Secret that its password is in. */}}
{{- define "sparkiot.redis.secret" -}}
{{ default (include "sparkiot.redis.name" .) .Values.redis.existingSecret }}
{{- end -}}
