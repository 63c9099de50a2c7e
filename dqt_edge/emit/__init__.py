"""From a Plan to a C project: renders the templates and copies the firmware; takes no decision of its own."""
