"""Device messages on their way to a job: nothing is acknowledged to the devices' broker before it is on disk here."""
