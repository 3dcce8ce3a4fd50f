"""How others see that a bootstrap is well: metrics, health, the service manager, log lines."""
