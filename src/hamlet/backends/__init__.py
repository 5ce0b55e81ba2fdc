"""Environment backends: run environments in compiled code or on the host, and choose the devices."""
