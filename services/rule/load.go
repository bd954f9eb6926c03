package rule

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
)

// Folder is where rule files are in the configuration directory.
const Folder = "rules"

// Load reads all rule files below rules/ of a configuration directory, in the order
// of their names: those that end in .yaml or .yml, and in no folder or file whose name
// begins with a dot. Where there is no such folder there are no rules. It returns the
// files that are right beside the problems of the others.
func Load(fsys fs.FS, opt Options) ([]*File, Problems) {
	opt = opt.withDefaults()
	names, problems := ruleFiles(fsys, opt.Limits.Files)
	var files []*File
	for _, name := range names {
		f, ps := loadFile(fsys, name, opt)
		if problems = append(problems, ps...); f != nil {
			files = append(files, f)
		}
	}
	for _, name := range sortedKeys(opt.Parameters) {
		if strings.HasPrefix(name, Folder+"/") && !slices.Contains(names, name) {
			problems = append(problems, alert.Problem{File: name, Field: "parameters", Message: "values are set for parameters of this file, and " + unknownText("file", name, names)})
		}
	}
	return files, problems
}

// ruleFiles returns the names of all rule files, sorted.
func ruleFiles(fsys fs.FS, limit int) (names []string, problems Problems) {
	err := fs.WalkDir(fsys, Folder, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == Folder {
			return fs.SkipAll
		}
		if err != nil {
			problems = append(problems, alert.Problem{File: name, Message: readText(err)})
			return nil
		}
		hidden := strings.HasPrefix(d.Name(), ".") // such as ..data of a mounted Kubernetes volume
		switch ext := path.Ext(name); {
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden || ext != ".yaml" && ext != ".yml":
			return nil
		case len(names) >= limit:
			problems = append(problems, alert.Problem{File: Folder, Message: fmt.Sprintf("there are more than %d rule files: put several groups into one", limit)})
			return fs.SkipAll
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		problems = append(problems, alert.Problem{File: Folder, Message: readText(err)})
	}
	return names, problems
}

func loadFile(fsys fs.FS, name string, opt Options) (*File, Problems) {
	content, err := readLimited(fsys, name, opt.Limits.FileBytes)
	if err != nil {
		return nil, Problems{{File: name, Message: readText(err)}}
	}
	return Parse(name, content, opt)
}

// readLimited reads a file, one byte more than the limit at most: Parse then says
// that it is too long.
func readLimited(fsys fs.FS, name string, limit int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // readText says what was attempted
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, int64(limit)+1))
}

// readText says why a file could not be read; the name stands beside it.
func readText(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return "it cannot be read: " + err.Error()
}
