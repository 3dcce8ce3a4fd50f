"""What a bootstrap holds, and how it forgets."""
