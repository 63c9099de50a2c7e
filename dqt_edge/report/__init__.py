"""Everything for eyes: pages, charts, drawings, tables."""
