"""Applications that do not emit our tokens: asked once, whatever is then measured, and replayed through real hops."""
