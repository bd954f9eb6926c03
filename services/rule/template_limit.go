package rule

import (
	"fmt"
	"reflect"
	"text/template"
	"text/template/parse"
)

// limitError says which limit of templates was met.
type limitError string

func (e limitError) Error() string { return string(e) }

// Names of the functions that countSteps puts into templates. Nobody can write them:
// while a text is read there are no functions of these names.
const (
	stepFunc  = "limitStep"
	enterFunc = "limitEnter"
	leaveFunc = "limitLeave"
)

// countSteps puts an action into everything that can be executed again and again, the
// bodies of ranges and of templates, which counts how much it executes.
func countSteps(t *template.Template) error {
	for _, one := range t.Templates() {
		if one.Tree == nil || one.Root == nil {
			continue
		}
		c := stepCounter{}
		cost := c.list(one.Root)
		enter, err1 := action(fmt.Sprintf("{{%s %d}}", enterFunc, cost))
		leave, err2 := action(fmt.Sprintf("{{%s}}", leaveFunc))
		if c.err != nil || err1 != nil || err2 != nil {
			return fmt.Errorf("bound template %s: %w", one.Name(), firstError(c.err, err1, err2))
		}
		one.Root.Nodes = append(append([]parse.Node{enter}, one.Root.Nodes...), leave)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// action returns the node of an action.
func action(text string) (parse.Node, error) {
	nothing := func() string { return "" }
	trees, err := parse.Parse("limit", text, "", "", map[string]any{stepFunc: nothing, enterFunc: nothing, leaveFunc: nothing})
	if err != nil {
		return nil, fmt.Errorf("make a counting action: %w", err)
	}
	return trees["limit"].Root.Nodes[0], nil
}

// stepCounter walks a template.
type stepCounter struct{ err error }

// list returns how many steps executing the nodes once takes at most, loops within
// them left out: these count by themselves.
func (c *stepCounter) list(l *parse.ListNode) int {
	if l == nil {
		return 0
	}
	cost := 1
	for _, n := range l.Nodes {
		cost += c.node(n)
	}
	return cost
}

func (c *stepCounter) node(n parse.Node) int {
	switch n := n.(type) {
	case *parse.ActionNode:
		return pipeCost(n.Pipe)
	case *parse.IfNode:
		return pipeCost(n.Pipe) + c.list(n.List) + c.list(n.ElseList)
	case *parse.WithNode:
		return pipeCost(n.Pipe) + c.list(n.List) + c.list(n.ElseList)
	case *parse.TemplateNode:
		return 1 + pipeCost(n.Pipe)
	case *parse.RangeNode:
		c.loop(n.List)
		return pipeCost(n.Pipe) + c.list(n.ElseList)
	}
	return 1
}

// loop puts the counting action into the body of a range.
func (c *stepCounter) loop(body *parse.ListNode) {
	step, err := action(fmt.Sprintf("{{%s %d}}", stepFunc, loopCost+c.list(body)))
	if err != nil {
		c.err = err
		return
	}
	body.Nodes = append([]parse.Node{step}, body.Nodes...)
}

// pipeCost returns how many steps a pipeline takes.
func pipeCost(p *parse.PipeNode) int {
	if p == nil {
		return 0
	}
	cost := 1
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			cost += argCost(arg)
		}
	}
	return cost
}

func argCost(n parse.Node) int {
	switch n := n.(type) {
	case *parse.PipeNode:
		return pipeCost(n)
	case *parse.ChainNode:
		return 1 + argCost(n.Node)
	case *parse.IdentifierNode:
		switch n.Ident {
		case "eq", "ne", "lt", "le", "gt", "ge":
			return comparisonCost
		}
	}
	return 1
}

func (r *run) step(n int) (string, error) {
	if r.steps += n; r.steps > maxSteps {
		return "", limitError(fmt.Sprintf("it takes more than %d steps", maxSteps))
	}
	if err := r.ctx.Err(); err != nil {
		return "", limitError("it did not end in time: " + err.Error())
	}
	return "", nil
}

func (r *run) enter(n int) (string, error) {
	if r.depth++; r.depth > maxDepth {
		return "", limitError(fmt.Sprintf("templates call each other more than %d deep", maxDepth))
	}
	return r.step(n)
}

func (r *run) leave() string {
	r.depth--
	return ""
}

// spend counts work, in bytes.
func (r *run) spend(n int) error {
	if r.work += n; r.work > maxWork || n < 0 {
		return limitError("its functions have too much to do: the values are too long or too many")
	}
	return nil
}

// value counts the work of a function and bounds what it yields.
func (r *run) value(s string) (string, error) {
	if len(s) > maxOutputBytes {
		return "", limitError(fmt.Sprintf("a value in it has more than %d bytes", maxOutputBytes))
	}
	return s, r.spend(len(s) + 1)
}

// size returns how long the texts are that printing the value may take, about.
func size(v reflect.Value, depth int) int {
	const pointer, number = 80, 32
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Interface:
		if v.IsNil() {
			return number
		}
		return size(v.Elem(), depth)
	case reflect.Pointer:
		if v.IsNil() || depth > 0 {
			return pointer // as an address, or a time
		}
		return size(v.Elem(), depth+1)
	case reflect.Map:
		n := pointer
		for it := v.MapRange(); it.Next(); {
			n += size(it.Key(), depth+1) + size(it.Value(), depth+1) + 2
		}
		return n
	case reflect.Slice, reflect.Array:
		n := pointer
		for i := range v.Len() {
			n += size(v.Index(i), depth+1) + 2
		}
		return n
	case reflect.Struct:
		n := pointer
		for i := range v.NumField() {
			n += size(v.Field(i), depth+1) + 2
		}
		return n
	}
	return number
}

func (r *run) limitFuncs() template.FuncMap {
	return template.FuncMap{stepFunc: r.step, enterFunc: r.enter, leaveFunc: r.leave}
}
