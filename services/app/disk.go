package app

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// dirBytes returns the size of the files below the directory. Files that go away
// meanwhile count as nothing.
func dirBytes(dir string) int64 {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return skipMissing(err)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return skipMissing(err)
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		return 0 // the size is for people; there is nothing to do about it here
	}
	return total
}

func skipMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
