{{/* What the operator itself asks of the API server, verb by verb. A test compares it with the requests that it makes. */}}
{{- define "sparkiot.rules.operator" -}}
- apiGroups: [sparkiot.dev]
  resources: [sparkiotjobs]
  verbs: [list, watch, get, patch, delete] # get: after a conflict; delete: jobs whose time to live is over
- apiGroups: [sparkiot.dev]
  resources: [sparkiotjobs/status]
  verbs: [patch]
# Asked by an admission plugin, where that is on, of who sets blockOwnerDeletion on what a job owns.
- apiGroups: [sparkiot.dev]
  resources: [sparkiotjobs/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [events] # list: for the built-in page
  verbs: [create{{ if .Values.dashboard.enabled }}, list{{ end }}]
- apiGroups: [""]
  resources: [namespaces] # its label with the pod security level, before a driver is made
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, create, delete]
- apiGroups: [""]
  resources: [resourcequotas] # how many executors a namespace has room for
  verbs: [list]
- apiGroups: [""]
  resources: [configmaps] # get: recorded load of simulated jobs
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [secrets] # the token of a driver's endpoint
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [create, patch, delete]
{{- if .Values.networkPolicy.jobs.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, patch, delete]
{{- end }}
{{- end -}}

{{/* What a driver's role holds: nobody grants what they do not have, so the operator has it too, and uses none of it. */}}
{{- define "sparkiot.rules.drivers" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [create, get, list, watch, delete, deletecollection]
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, deletecollection]
- apiGroups: [""]
  resources: [persistentvolumeclaims, services]
  verbs: [list, deletecollection]
- apiGroups: [sparkiot.dev]
  resources: [sparkiotjobs]
  verbs: [get]
{{- end -}}

{{/* A binding of a role to the operator's account. Takes a list: the chart's context, kind of the role, its name. */}}
{{- define "sparkiot.binding" -}}
{{- $context := index . 0 -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "sparkiot.serviceAccountName" $context }}
    namespace: {{ $context.Release.Namespace }}
{{- end -}}
