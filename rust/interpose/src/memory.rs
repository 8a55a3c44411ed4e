//! Reads the tables of images in this process: where Julia says that they lie, or where one of them
//! says that another one does. They are mapped for as long as the process lives, and nothing writes
//! to them while an image is made.

/// The value at `address`, which lies in such a table.
pub fn read<T: Copy>(address: usize) -> T {
    // SAFETY: see the module.
    unsafe { (address as *const T).read_unaligned() }
}

/// `count` values, one after the other.
pub fn list<T: Copy>(address: usize, count: usize) -> Vec<T> {
    (0..count)
        .map(|i| read(address + i * size_of::<T>()))
        .collect()
}
