"""The optional accounts service: seats, and the tokens that they buy. A process of its own."""
