"""Data of any size: samples that are read when they are needed.

A source holds samples outside of memory, or generates them: a memory-mapped file, an HDF5 or Zarr
store, a Dask array, a map-style data set that yields one sample at a time, an iterable of batches.
A data set is never converted as a whole. The samples of an epoch are read a block at a time, in the
order in which they are used, and a thread reads ahead while the network computes.

`stores` defines the sources with a number of rows, `stream` the iterables of batches, `order` the
order of the rows, `reading` reads them, and `ahead` is the thread.
"""
