"""What works at a bootstrap, seen from inside and from outside."""
