"""Training runs that were tried, as TOML files, and in ``data`` the scripts that make their data."""
