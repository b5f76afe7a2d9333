-- The registry's own database, beside the job store's; runs once, when the volume is empty.
CREATE DATABASE mlflow OWNER hyperadam;
