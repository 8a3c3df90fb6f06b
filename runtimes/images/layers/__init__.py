"""Layers of a root filesystem: hostile tar streams in, overlayfs lowers on disk, tar streams out.

`tarstream` reads a tar archive into `member.Member`s; `apply` puts members into a directory as one
overlayfs lower; `walk` gives members back from directories; `tarwrite` writes them; `store` keeps
layers by content.  Nothing here knows of OCI images: that is `runtimes.standalone.image`.
"""
