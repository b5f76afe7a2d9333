{{- define "hyperadam.name" -}}
{{- if contains "hyperadam" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- else -}}{{ printf "%s-hyperadam" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "hyperadam.labels" -}}
app.kubernetes.io/name: hyperadam
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "hyperadam.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "hyperadam.image" -}}
{{ printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) }}
{{- end -}}

{{- define "hyperadam.secret" -}}
{{- if .Values.secrets.create -}}{{ include "hyperadam.name" . }}-secrets{{- else -}}{{ .Values.secrets.existingSecret }}{{- end -}}
{{- end -}}

{{- define "hyperadam.postgresHost" -}}
{{- if .Values.postgres.trial -}}{{ include "hyperadam.name" . }}-postgres{{- else -}}{{ .Values.postgres.host }}{{- end -}}
{{- end -}}

{{- define "hyperadam.redisHost" -}}
{{- if .Values.redis.trial -}}{{ include "hyperadam.name" . }}-redis{{- else -}}{{ .Values.redis.host }}{{- end -}}
{{- end -}}

{{- define "hyperadam.s3Endpoint" -}}
{{- if .Values.artifacts.trial -}}http://{{ include "hyperadam.name" . }}-objects:9000{{- else -}}{{ .Values.artifacts.s3Endpoint }}{{- end -}}
{{- end -}}

{{- define "hyperadam.artifactLocation" -}}
{{- if .Values.artifacts.trial -}}s3://{{ .Values.artifacts.trialBucket }}/runs{{- else -}}{{ .Values.artifacts.location }}{{- end -}}
{{- end -}}

{{- define "hyperadam.databaseUrl" -}}
postgresql+psycopg://{{ .Values.postgres.user }}@{{ include "hyperadam.postgresHost" . }}:{{ .Values.postgres.port }}
{{- end -}}

{{- define "hyperadam.rayAddress" -}}
{{- if .Values.ray.external -}}{{ .Values.ray.external }}{{- else -}}http://{{ include "hyperadam.name" . }}-ray-head-svc:8265{{- end -}}
{{- end -}}

{{- define "hyperadam.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "hyperadam.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What reaches the object store, in every pod that does. */}}
{{- define "hyperadam.objectEnvironment" -}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.artifacts.region | quote }}}
{{- with include "hyperadam.s3Endpoint" . }}
- {name: MLFLOW_S3_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- if or .Values.artifacts.trial .Values.artifacts.credentialsFromSecret }}
- {name: AWS_SHARED_CREDENTIALS_FILE, value: /run/secrets/hyperadam/s3-credentials}
{{- end }}
{{- end -}}

{{/* What API, reconciler and migration are told. */}}
{{- define "hyperadam.environment" -}}
- {name: HYPERADAM_HOME, value: /var/lib/hyperadam}
- {name: HYPERADAM_DATABASE_URL, value: {{ printf "%s/%s" (include "hyperadam.databaseUrl" .) .Values.postgres.database | quote }}}
- {name: HYPERADAM_TRACKING_URI, value: {{ printf "%s/%s" (include "hyperadam.databaseUrl" .) .Values.postgres.mlflowDatabase | quote }}}
- {name: HYPERADAM_DATABASE_PASSWORD_FILE, value: /run/secrets/hyperadam/postgres-password}
- {name: HYPERADAM_ARTIFACT_LOCATION, value: {{ include "hyperadam.artifactLocation" . | quote }}}
- {name: HYPERADAM_DATA_DIR, value: /var/lib/hyperadam/data}
- {name: HYPERADAM_CACHE_DIR, value: /var/lib/hyperadam/cache}
- {name: HYPERADAM_LOG_JSON, value: "true"}
{{ include "hyperadam.objectEnvironment" . }}
{{- range $name, $value := .Values.settings }}
- {name: {{ printf "HYPERADAM_%s" $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* What the API alone is told: how people of an issuer sign in. */}}
{{- define "hyperadam.oidcEnvironment" -}}
{{- with .Values.oidc }}
{{- if .issuer }}
- {name: HYPERADAM_OIDC_ISSUER, value: {{ .issuer | quote }}}
- {name: HYPERADAM_OIDC_AUDIENCE, value: {{ .audience | quote }}}
- {name: HYPERADAM_OIDC_CLIENT_ID, value: {{ .clientId | quote }}}
- {name: HYPERADAM_OIDC_TITLE, value: {{ .title | quote }}}
- {name: HYPERADAM_OIDC_GROUPS, value: {{ .groups | toJson | quote }}}
{{- if include "hyperadam.oidcKeys" $ }}
- {name: HYPERADAM_OIDC_CLIENT_SECRET_FILE, value: /run/secrets/hyperadam/oidc-client-secret}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hyperadam.oidcKeys" -}}
{{- if and .Values.oidc.issuer .Values.oidc.clientId (not .Values.oidc.publicClient) -}}oidc-client-secret{{- end -}}
{{- end -}}

{{- define "hyperadam.rayEnvironment" -}}
- {name: RAY_AUTH_MODE, value: token}
- {name: RAY_AUTH_TOKEN_PATH, value: /run/secrets/hyperadam/ray-token}
{{- end -}}

{{/* Files of the release's secret that a pod of this kind may see. */}}
{{- define "hyperadam.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ include "hyperadam.secret" .root }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end -}}

{{- define "hyperadam.scratchVolumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 4Gi}}
- {name: home, emptyDir: {sizeLimit: 1Gi}}
{{- end -}}

{{- define "hyperadam.scratchMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /run/hyperadam}
{{- end -}}

{{- define "hyperadam.s3Keys" -}}
{{- if or .Values.artifacts.trial .Values.artifacts.credentialsFromSecret -}}s3-credentials{{- end -}}
{{- end -}}
