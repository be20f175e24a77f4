"""The SparkIoTJob custom resource: models, generated CRD, and the translation to what decisions know."""

GROUP = "sparkiot.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "SparkIoTJob"
PLURAL = "sparkiotjobs"
SINGULAR = "sparkiotjob"
SHORT_NAME = "sij"
