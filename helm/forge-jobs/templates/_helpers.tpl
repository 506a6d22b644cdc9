{{/*
Every name that the chart's objects have or that they call one another by.
Namespaced names are fixed: a namespace holds one installation. Cluster-wide ones begin with the release's name.
*/}}
{{- define "forge.operator" -}}forge-operator{{- end -}}
{{- define "forge.api" -}}forge-api{{- end -}}
{{- define "forge.api.internal" -}}forge-api-internal{{- end -}}
{{- define "forge.clones" -}}forge-clones{{- end -}}
{{- define "forge.redis" -}}forge-redis{{- end -}}
{{- define "forge.redis.secret" -}}
{{- if .Values.redis.enabled -}}forge-redis-users{{- else -}}{{ .Values.redis.external.existingSecret }}{{- end -}}
{{- end -}}
{{- define "forge.postgres" -}}forge-postgres{{- end -}}
{{- define "forge.postgres.secret" -}}
{{- if .Values.postgres.enabled -}}forge-postgres{{- else -}}{{ .Values.postgres.external.existingSecret }}{{- end -}}
{{- end -}}
{{- define "forge.operator.token" -}}forge-operator-token{{- end -}}
{{- define "forge.crds" -}}forge-crds{{- end -}}
{{- define "forge.token.secret" -}}forge-token-key{{- end -}}
{{- define "forge.token.keys" -}}forge-token-keys{{- end -}}
{{- define "forge.tests" -}}forge-tests{{- end -}}
{{- define "forge.monitoring" -}}forge-jobs{{- end -}}
{{- define "forge.rules.name" -}}forge-rules{{- end -}}
{{- define "forge.schedules" -}}forge-schedules{{- end -}}
{{- define "forge.schedule" -}}forge-{{ . }}{{- end -}}
{{- define "forge.runner" -}}forge-runner{{- end -}}
{{- define "forge.runner.redis" -}}forge-redis{{- end -}}
{{/* cluster-wide, by the part's name: RBAC's names may hold a colon, others not */}}
{{- define "forge.role" -}}{{ .root.Release.Name }}:{{ .part }}{{- end -}}
{{- define "forge.priorityclass" -}}{{ .root.Release.Name }}-{{ .queue }}{{- end -}}
{{- define "forge.policy" -}}{{ .Release.Name }}-analysisjobs{{- end -}}

{{/* "true" where the cluster's definitions are those of this chart: forge_core.crds marks them with what it applied */}}
{{- define "forge.crds.current" -}}
{{- $bytes := "" }}
{{- $names := list }}
{{- range $path, $_ := .Files.Glob "crds/*.yaml" }}
{{- $definition := $.Files.Get $path }}
{{- $bytes = print $bytes $definition }}
{{- $names = append $names ($definition | fromYaml).metadata.name }}
{{- end }}
{{- $digest := sha256sum $bytes }}
{{- $current := true }}
{{- range $names }}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" . }}
{{- $mark := printf "%s/%d" $digest (dig "metadata" "generation" 0 $found | int64) }}
{{- if ne $mark (dig "metadata" "annotations" (include "forge.applied.annotation" $) "" $found) }}
{{- $current = false }}
{{- end }}
{{- end }}
{{- $current }}
{{- end -}}

{{- define "forge.tenant.label" -}}forge-factory.dev/tenant{{- end -}}
{{- define "forge.installation.label" -}}forge-factory.dev/installation{{- end -}}
{{- define "forge.weight.annotation" -}}forge-factory.dev/weight{{- end -}}
{{- define "forge.maxrunning.annotation" -}}forge-factory.dev/max-running{{- end -}}
{{- define "forge.applied.annotation" -}}forge-factory.dev/applied{{- end -}}

{{/* the system tenant: its namespace, and all tenants with it */}}
{{- define "forge.system.namespace" -}}
{{- .Values.system.namespace | default (ternary (printf "forge-system-%s" .Values.installation) "forge-system" (ne .Values.installation "")) -}}
{{- end -}}
{{- define "forge.tenants" -}}
{{- if hasKey .Values.tenants "system" }}
{{- fail "the tenant system is the installation's own: give yours another name" }}
{{- end }}
{{- $namespace := include "forge.system.namespace" . }}
{{- $own := dict "namespace" $namespace "createNamespace" true "namespaceLabels" (dict "forge-factory.dev/system" "true") }}
{{- set (deepCopy .Values.tenants) "system" $own | toYaml -}}
{{- end -}}

{{/* addresses */}}
{{- define "forge.api.url" -}}
http://{{ include "forge.api.internal" . }}.{{ .Release.Namespace }}.svc:8081
{{- end -}}
{{- define "forge.operator.url" -}}
http://{{ include "forge.operator" . }}.{{ .Release.Namespace }}.svc:8080
{{- end -}}
{{- define "forge.clones.url" -}}
http://{{ include "forge.clones" . }}.{{ .Release.Namespace }}.svc:8082
{{- end -}}
{{- define "forge.redis.url" -}}
{{- if .Values.redis.enabled -}}
redis://{{ include "forge.redis" . }}.{{ .Release.Namespace }}.svc:6379
{{- else -}}
{{ .Values.redis.external.url }}
{{- end -}}
{{- end -}}

{{/* labels: call with dict "root" $ "part" NAME */}}
{{- define "forge.selector" -}}
app.kubernetes.io/name: forge-jobs
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}
{{/* the same as a label selector on one line */}}
{{- define "forge.match" -}}
{matchLabels: {{ include "forge.selector" . | fromYaml | toJson }}}
{{- end -}}
{{- define "forge.labels" -}}
{{ include "forge.selector" . }}
app.kubernetes.io/part-of: forge-jobs
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Pod Security "restricted": call with the UID */}}
{{- define "forge.pod.security" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "forge.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* environment shared by operator and API */}}
{{- define "forge.env.database" -}}
- name: FORGE_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "forge.postgres.secret" . }}, key: url}}
{{- end -}}
{{/* call with dict "root" $ "user" operator|api: the embedded Redis has a user for each, an external one has one for both */}}
{{- define "forge.env.redis" -}}
{{- $external := not .root.Values.redis.enabled -}}
- name: FORGE_REDIS_URL
  value: {{ include "forge.redis.url" .root | quote }}
{{- if or .root.Values.redis.enabled .root.Values.redis.external.existingSecret }}
- name: FORGE_REDIS_USERNAME
  valueFrom: {secretKeyRef: {name: {{ include "forge.redis.secret" .root }}, key: {{ ternary "username" (printf "%s-username" .user) $external }}, optional: {{ $external }}}}
- name: FORGE_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "forge.redis.secret" .root }}, key: {{ ternary "password" (printf "%s-password" .user) $external }}}}
{{- end }}
{{- end -}}
{{/* what the API shows when it asks the operator for an explanation */}}
{{- define "forge.env.operatortoken" -}}
- name: FORGE_OPERATOR_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "forge.operator.token" . }}, key: token}}
{{- end -}}
{{/* where alerts go; a receiver's URL may be as secret as its key */}}
{{- define "forge.env.alerts" -}}
- name: FORGE_ALERTS_SINK
  value: {{ .Values.alerts.sink }}
{{- with .Values.alerts }}
{{- if ne .sink "log" }}
- name: FORGE_ALERTS_ALLOW_HTTP
  value: {{ .allowHttp | quote }}
{{- if .url }}
- name: FORGE_ALERTS_URL
  value: {{ .url | quote }}
{{- else if .existingSecret }}
- name: FORGE_ALERTS_URL
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: url, optional: {{ eq .sink "datadog" }}}}
{{- end }}
{{- if .existingSecret }}
- name: FORGE_ALERTS_API_KEY
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: api-key, optional: {{ eq .sink "webhook" }}}}
{{- end }}
{{- if .caSecret }}
- name: FORGE_ALERTS_CA_FILE
  value: /etc/forge/alerts/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{- define "forge.env.pod" -}}
- name: FORGE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: FORGE_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: FORGE_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: FORGE_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- end -}}

{{/*
A password that is made once and kept: the one that the cluster holds, else a new one.
Call with dict "namespace" NS "name" SECRET "key" KEY.
*/}}
{{- define "forge.password" -}}
{{- $held := lookup "v1" "Secret" .namespace .name -}}
{{- if and $held $held.data (hasKey $held.data .key) -}}
{{- index $held.data .key | b64dec -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end -}}

{{/* NetworkPolicy parts */}}
{{- define "forge.egress.dns" -}}
- to:
  - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
  ports:
  - {protocol: UDP, port: 53}
  - {protocol: TCP, port: 53}
{{- end -}}
{{- define "forge.egress.apiserver" -}}
# The API server is no pod: policies know it only by its port.
- ports:
  - {protocol: TCP, port: 443}
  - {protocol: TCP, port: 6443}
{{- end -}}
{{- define "forge.egress.public" -}}
- to:
  - ipBlock:
      cidr: 0.0.0.0/0
      except: {{- toYaml .Values.networkPolicy.notPublic.ipv4 | nindent 8 }}
  - ipBlock:
      cidr: ::/0
      except: {{- toYaml .Values.networkPolicy.notPublic.ipv6 | nindent 8 }}
  ports:
  - {protocol: TCP, port: 80}
  - {protocol: TCP, port: 443}
{{- end -}}
{{- define "forge.egress.ports" -}}
- ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end -}}
{{- define "forge.egress.redis" -}}
{{- if .root.Values.redis.enabled -}}
- to:
  - podSelector: {{ include "forge.match" (dict "root" .root "part" "redis") }}
    {{- if .fromElsewhere }}
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .root.Release.Namespace }}}}
    {{- end }}
  ports:
  - {protocol: TCP, port: 6379}
{{- else -}}
{{ include "forge.egress.ports" .root.Values.redis.external.ports }}
{{- end -}}
{{- end -}}
{{- define "forge.egress.postgres" -}}
{{- if .Values.postgres.enabled -}}
- to:
  - podSelector: {{ include "forge.match" (dict "root" . "part" "postgres") }}
  ports:
  - {protocol: TCP, port: 5432}
{{- else -}}
{{ include "forge.egress.ports" .Values.postgres.external.ports }}
{{- end -}}
{{- end -}}

{{/* On which nodes a part's pods may run: its values nodeSelector and tolerations. */}}
{{- define "forge.placing" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What a Prometheus operator's own selectors look at comes by values. */}}
{{- define "forge.monitoring.labels" -}}
{{ include "forge.labels" (dict "root" . "part" "monitoring") }}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{/* monitoring/rules.yaml, whose links and objective are this installation's */}}
{{- define "forge.rules" -}}
{{- $objective := printf "(1 - %v)" .Values.monitoring.slaObjective -}}
{{- .Files.Get "monitoring/rules.yaml" | replace "runbook_url: docs/runbooks/" (printf "runbook_url: %s/" (.Values.monitoring.runbooks | trimSuffix "/")) | replace "(1 - 0.99)" $objective | trim -}}
{{- end -}}
