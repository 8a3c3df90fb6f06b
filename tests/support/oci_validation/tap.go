// Package tap writes the Test Anything Protocol, as far as the OCI project's validation suite asks
// for it.  The library that the suite names (github.com/mndrix/tap-go) is not in Debian.
package tap

import (
	"encoding/json"
	"fmt"
	"strings"
)

// T counts the checks of one program.
type T struct {
	count *int
	todo  bool
}

// New begins a program's checks.
func New() *T {
	return &T{count: new(int)}
}

// Header begins the output; the plan comes first where the number of checks is known.
func (t *T) Header(checks int) {
	fmt.Println("TAP version 13")
	if checks > 0 {
		fmt.Printf("1..%d\n", checks)
	}
}

// AutoPlan ends the output with the number of checks there were.
func (t *T) AutoPlan() {
	fmt.Printf("1..%d\n", *t.count)
}

// Ok is one check.
func (t *T) Ok(passed bool, what string) {
	word := "ok"
	if !passed {
		word = "not ok"
	}
	*t.count++
	// A number sign would begin a directive.
	what = strings.NewReplacer("\n", " ", "#", `\#`).Replace(what)
	if t.todo {
		what += " # TODO"
	}
	fmt.Printf("%s %d - %s\n", word, *t.count, what)
}

// Pass is a check that passed.
func (t *T) Pass(what string) {
	t.Ok(true, what)
}

// Fail is a check that failed.
func (t *T) Fail(what string) {
	t.Ok(false, what)
}

// Skip tells of checks that were not made.
func (t *T) Skip(checks int, why string) {
	for ; checks > 0; checks-- {
		*t.count++
		fmt.Printf("ok %d # SKIP %s\n", *t.count, strings.ReplaceAll(why, "\n", " "))
	}
}

// Todo is for a check that is known not to be made rightly yet.
func (t *T) Todo() *T {
	return &T{count: t.count, todo: true}
}

// Diagnostic is a comment.
func (t *T) Diagnostic(text string) {
	fmt.Println("# " + strings.ReplaceAll(text, "\n", "\n# "))
}

// Diagnosticf is a comment with its values.
func (t *T) Diagnosticf(form string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(form, values...))
}

// YAML tells more of the check before it.  JSON is YAML.
func (t *T) YAML(value interface{}) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	fmt.Printf("  ---\n  %s\n  ...\n", text)
	return nil
}
