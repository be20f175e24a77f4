"""The whole pipe on one machine: devices, broker, gateway, landing folder, and a live job that is scaled ahead."""
