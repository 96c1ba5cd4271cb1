"""What Tocsin costs and how fast it is, as ratios within one run: `make bench`. docs/performance.md explains each."""
