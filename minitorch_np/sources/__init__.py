"""Data of any size: samples that are read when it is their turn.

A source is something that holds samples outside of memory, or makes them: a file that is mapped, an
HDF5 or Zarr store, a Dask array, a map-style data set that gives one sample at a time, an iterable
of batches. Nothing is ever converted whole. The samples of an epoch are read a block at a time, in
the order in which they are used, and a thread reads ahead while the network computes.

`stores` has the kinds of source with a number of rows, `stream` the iterables of batches, `order`
decides which rows come when, `reading` reads them, and `ahead` is the thread.
"""
