"""OCI images: layouts in directories and archives, `docker save` archives, in and out.

`source` opens what is on disk, `image` chooses one image in it and checks it, `pull` puts its
layers into the layer store, `pack` writes images.  Specification: opencontainers/image-spec 1.1.
"""
