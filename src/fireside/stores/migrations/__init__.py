"""The history of the tables, one file in ``versions`` per step, applied in order by alembic.

A step that was released is never edited. The newest one is named in ``fireside.stores.tables.REVISION``.
"""
