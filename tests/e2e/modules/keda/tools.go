//go:build tools

// The programs of this group. Nothing here is compiled; the imports hold the requirements in go.mod.
package tools

import (
	_ "github.com/kedacore/keda/v2/cmd/operator"
	_ "github.com/kedacore/keda/v2/cmd/adapter"
)
