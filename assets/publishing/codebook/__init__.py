"""The codebook for people and other systems: pages, data dictionaries, forms that a site can import."""
