"""Evidence that the project is hard to break: ``make hard`` runs every line and writes docs/evidence.md from them."""
