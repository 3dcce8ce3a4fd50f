"""Shows that a bootstrap forgets: a staged call with canaries, then a search for each of them."""
