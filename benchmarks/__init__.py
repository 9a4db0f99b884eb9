"""Speed, as ratios between contestants that take turns in one run."""
