{{- define "webchat.name" -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}

{{- define "webchat.selector" -}}
app.kubernetes.io/name: webchat
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "webchat.labels" -}}
{{ include "webchat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "webchat.image" -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end }}

{{- define "webchat.check" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not .Values.database.existingSecret }}{{ fail "replicas: more than one needs PostgreSQL; set database.existingSecret" }}{{ end }}
{{- if not .Values.secret }}{{ fail "replicas: more than one needs the same WEBCHAT_COOKIE_SECRET; set secret" }}{{ end }}
{{- end }}
{{- end }}

{{- define "webchat.container" -}}
image: {{ include "webchat.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  - name: WEBCHAT_SHUTDOWN_GRACE
    value: {{ .Values.drainSeconds | quote }}
  {{- if .Values.ingress.enabled }}
  - name: WEBCHAT_PUBLIC_URL
    value: https://{{ .Values.ingress.host }}
  - name: WEBCHAT_TRUSTED_PROXIES
    value: {{ .Values.ingress.trustedProxies | quote }}
  {{- end }}
  {{- with .Values.endpoint }}
  - name: OPENAI_BASE_URL
    value: {{ . | quote }}
  {{- end }}
  {{- with .Values.routingHeader }}
  - name: WEBCHAT_ROUTING_HEADER
    value: {{ . | quote }}
  {{- end }}
  {{- if .Values.database.existingSecret }}
  - name: DATABASE_URL
    valueFrom:
      secretKeyRef:
        name: {{ .Values.database.existingSecret }}
        key: {{ .Values.database.key }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- with .Values.secret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
volumeMounts:
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- define "webchat.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
