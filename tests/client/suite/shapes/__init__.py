"""All themes, in the order in which they are written."""

from shapes import groups, joins, moments, queries, texts, values, windows

THEMES = [*queries.THEMES, *joins.THEMES, *groups.THEMES, *windows.THEMES, *values.THEMES, *moments.THEMES, *texts.THEMES]
