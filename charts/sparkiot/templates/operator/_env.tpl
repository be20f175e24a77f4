{{/* The operator's settings as its environment: what the chart decides, then what `operator.settings` adds. */}}
{{- define "sparkiot.env" -}}
{{ if .Values.watchNamespaces -}}
- name: SPARKIOT_NAMESPACES
  value: {{ .Values.watchNamespaces | toJson | quote }}
{{- else -}}
- name: SPARKIOT_ALL_NAMESPACES
  value: "true"
{{- end }}
- name: SPARKIOT_LEADER_ELECT
  value: "true"
- name: SPARKIOT_LEADER_LEASE_NAME
  value: {{ include "sparkiot.fullname" . }}
- name: SPARKIOT_LEADER_LEASE_NAMESPACE
  value: {{ .Release.Namespace }}
- name: SPARKIOT_LEADER_LEASE_SECONDS
  value: {{ .Values.operator.leaderElection.leaseSeconds | quote }}
- name: SPARKIOT_LEADER_DEADLINE_SECONDS
  value: {{ .Values.operator.leaderElection.deadlineSeconds | quote }}
- name: SPARKIOT_LEADER_RETRY_SECONDS
  value: {{ .Values.operator.leaderElection.retrySeconds | quote }}
- name: SPARKIOT_DEFAULT_BACKEND
  value: {{ .Values.operator.defaultBackend }}
- name: SPARKIOT_RUNTIME_IMAGE
  value: {{ default (include "sparkiot.image" .) .Values.operator.runtimeImage | quote }}
- name: SPARKIOT_RUNTIME_IMAGE_PULL_POLICY
  value: {{ .Values.image.pullPolicy }}
{{- if .Values.networkPolicy.jobs.enabled }}
- name: SPARKIOT_ENDPOINT_PEERS
  value: {{ include "sparkiot.endpointPeers" . | fromYamlArray | toJson | quote }}
{{- end }}
- name: SPARKIOT_HEALTH_HOST
  value: 0.0.0.0
- name: SPARKIOT_HEALTH_PORT
  value: {{ .Values.metrics.port | quote }}
- name: SPARKIOT_LOG_LEVEL
  value: {{ .Values.operator.logLevel }}
- name: SPARKIOT_LOG_FORMAT
  value: {{ .Values.operator.logFormat }}
{{- if include "sparkiot.policyVolume" . }}
- name: SPARKIOT_POLICIES_DIR
  value: /var/lib/sparkiot/policies
{{- end }}
{{- with .Values.policies.digests }}
- name: SPARKIOT_POLICY_DIGESTS
  value: {{ toJson . | quote }}
{{- end }}
{{- include "sparkiot.policySources" . }}
{{- if .Values.audit.enabled }}
- name: SPARKIOT_AUDIT_DIR
  value: /var/lib/sparkiot/audit
- name: SPARKIOT_AUDIT_MAX_MEBIBYTES
  value: {{ .Values.audit.maxMebibytes | quote }}
- name: SPARKIOT_AUDIT_FILES
  value: {{ .Values.audit.files | quote }}
{{- end }}
{{- if .Values.dashboard.enabled }}
- name: SPARKIOT_DASHBOARD
  value: "true"
- name: SPARKIOT_DASHBOARD_PORT
  value: {{ .Values.dashboard.port | quote }}
{{- end }}
{{- range $name, $value := .Values.operator.settings }}
- name: SPARKIOT_{{ snakecase $name | upper }}
  value: {{ ternary (toJson $value) (toString $value) (kindIs "slice" $value) | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Who may call the endpoint in a job's driver. */}}
{{- define "sparkiot.endpointPeers" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
  podSelector:
    matchLabels: {{- include "sparkiot.selectorLabels" . | nindent 6 }}
{{- with .Values.networkPolicy.jobs.from }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Policies that the operator fetches, and what it signs its requests with. */}}
{{- define "sparkiot.policySources" -}}
{{- with .Values.policies.s3 }}
{{- range $name, $source := .sources }}
{{- if not (hasKey $.Values.policies.digests $name) }}
{{- fail (printf "policies.s3.sources.%s needs policies.digests.%s: nothing is loaded without its digest" $name $name) }}
{{- end }}
{{- end }}
{{- if .sources }}
- name: SPARKIOT_POLICY_SOURCES
  value: {{ toJson .sources | quote }}
{{- with .endpoint }}
- name: SPARKIOT_POLICY_S3_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .region }}
- name: SPARKIOT_POLICY_S3_REGION
  value: {{ . | quote }}
{{- end }}
{{- $secret := .credentialsSecret }}
{{- if $secret }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the policies' files come from; empty for those of the image alone. */}}
{{- define "sparkiot.policyVolume" -}}
{{- if and .Values.policies.configMap .Values.policies.persistentVolumeClaim -}}
{{- fail "policies.configMap and policies.persistentVolumeClaim exclude each other: the operator reads one folder" -}}
{{- end -}}
{{- with .Values.policies.configMap -}}
configMap: {name: {{ . }}}
{{- end -}}
{{- with .Values.policies.persistentVolumeClaim -}}
persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
{{- end -}}
{{- end -}}
