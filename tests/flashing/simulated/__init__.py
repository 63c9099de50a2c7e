"""A simulated chip behind the runners: its flash, its boot loader, and the programs that flash it."""
