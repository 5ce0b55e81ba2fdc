"""What measurements are compared with and made on: the machine's limit, counted operations, made-up runs."""
