"""What a person's own devices say to each other, and how what they keep is made one. Pure."""
