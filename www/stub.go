//go:build !embedweb

package www

import (
	"embed"
	"io/fs"
)

//go:embed stub
var files embed.FS

// Built says whether Files holds the application itself.
const Built = false

// Files returns the site, its root being "/".
func Files() (fs.FS, error) { return fs.Sub(files, "stub") }
