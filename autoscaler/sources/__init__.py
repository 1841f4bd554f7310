"""Where signals come from: the vLLM pods themselves, and Prometheus for what cannot be scraped."""
