"""Views: values in, text or SVG out. Nothing here changes anything or waits for anything."""
