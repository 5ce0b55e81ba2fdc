"""Where training runs: environments in compiled code or on the host, and on which devices."""
