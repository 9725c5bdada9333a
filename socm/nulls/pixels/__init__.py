"""Maps as pixels: reading, writing, their weights, edges and pictures."""
