/* test_sandbox_state.c - what every sandbox must remember: variables, files, going back, saving,
 * loading, completion. Written against sandbox.h. */
#include "contract/box.h"

static void assert_change(const struct box *b, const char *name, enum var_change wanted)
{
    const struct box_var *v = box_var(b, name);
    if (v == NULL)
        fail_msg("%s is not reported", name);
    if (v->change != wanted)
        fail_msg("%s is %s, not %s", name, var_change_name(v->change), var_change_name(wanted));
}

static void state_survives(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_IS_STATEFUL);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import math\nx = 20\ndef double(n): return n * 2\nclass C: y = 1");
    assert_exit(b, 0);
    box_run(b, "x += 1\nprint(double(x), math.pi > 3, C.y)");
    assert_out(b, "42 True 1\n");
    box_run(b, "1/0"); /* a failure does not lose it */
    box_run(b, "print(x)");
    assert_out(b, "21\n");
    box_free(b);
}

static void variables_are_reported(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_IS_STATEFUL);
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "number = 42\ntext = 'hello'\nitems = [1, 2, 3]");
    assert_change(b, "number", CHANGE_NEW);
    assert_string_equal(box_var(b, "number")->type, "int");
    assert_string_equal(box_var(b, "number")->preview, "42");
    assert_non_null(strstr(box_var(b, "text")->preview, "hello"));
    box_run_state(b, "number = 43\nitems.append(4)\nfresh = None");
    assert_change(b, "number", CHANGE_CHANGED);
    assert_change(b, "items", CHANGE_CHANGED); /* changed in place */
    assert_change(b, "text", CHANGE_SAME);
    assert_change(b, "fresh", CHANGE_NEW);
    box_run_state(b, "del text");
    assert_change(b, "text", CHANGE_GONE);
    assert_change(b, "number", CHANGE_SAME);
    box_free(b);
}

static void previews_call_no_code_of_the_user(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_IS_STATEFUL);
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "class Trap:\n"
                     "    def __repr__(self): raise SystemExit('repr was called')\n"
                     "    __str__ = __len__ = __hash__ = __eq__ = __repr__\n"
                     "    def __getattr__(self, n): open('/workspace/called', 'w'); raise OSError\n"
                     "trap = Trap()");
    assert_exit(b, 0);
    assert_non_null(box_var(b, "trap"));
    box_run(b, "import os\nprint(os.path.exists('/workspace/called'))");
    assert_out(b, "False\n");
    box_free(b);
}

static void changed_files_are_reported(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "open('a.txt', 'w').write('1')\nimport os; os.mkdir('d')\n"
                     "open('d/b.txt', 'w').write('2')");
    assert_true(box_has_file(b, "new a.txt"));
    assert_true(box_has_file(b, "new d/b.txt"));
    box_run_state(b, "open('a.txt', 'a').write('more')");
    assert_true(box_has_file(b, "changed a.txt"));
    assert_false(box_has_file(b, "changed d/b.txt"));
    box_run_state(b, "import os\nos.remove('a.txt')");
    assert_true(box_has_file(b, "gone a.txt"));
    box_free(b);
}

static void goes_back_to_an_earlier_run(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    for (int i = 1; i <= 3; i++) {
        char code[64];
        snprintf(code, sizeof code, "x = %d", i);
        box_run(b, code);
        box_wait(b, checkpoints, i);
        assert_int_equal(b->last_checkpoint, i);
    }
    assert_int_equal(box_call(b, box_world.ops->restore(b->s, 1, &e)), 0);
    box_wait(b, restored, 1);
    assert_int_equal(b->restored_err.code, ERR_NONE);
    assert_int_equal(b->restored_run, 1);
    box_run(b, "print(x)");
    assert_out(b, "1\n");
    box_wait(b, checkpoints, 4);
    assert_int_equal(box_call(b, box_world.ops->restore(b->s, 1, &e)), 0); /* still usable */
    box_wait(b, restored, 2);
    box_run(b, "print(x + 10)");
    assert_out(b, "11\n");
    box_free(b);
}

static void going_back_runs_nothing_again(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    box_run(b, "with open('log', 'a') as f: f.write('ran ')");
    box_wait(b, checkpoints, 1);
    box_run(b, "y = 2");
    box_wait(b, checkpoints, 2);
    assert_int_equal(box_call(b, box_world.ops->restore(b->s, 1, &e)), 0);
    box_wait(b, restored, 1);
    box_run(b, "print(open('log').read(), 'y' in globals())");
    assert_out(b, "ran  False\n");
    box_free(b);
}

static void going_back_to_nowhere_is_told(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    box_run(b, "x = 1");
    box_wait(b, checkpoints, 1);
    if (box_call(b, box_world.ops->restore(b->s, 77, &e)) == 0) {
        box_wait(b, restored, 1);
        assert_int_not_equal(b->restored_err.code, ERR_NONE);
    }
    box_run(b, "print(x)"); /* nothing was harmed */
    assert_out(b, "1\n");
    box_free(b);
}

static void saved_state_lives_on_elsewhere(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_SAVE);
    struct box *a = box_open_default(), *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    box_run(a, "import threading\nx = {'deep': [1, 2]}\ndef f(n): return n + x['deep'][1]\n"
               "lock = threading.Lock()");
    box_wait(a, checkpoints, 1);
    assert_int_equal(box_call(a, box_world.ops->save(a->s, &e)), 0);
    box_wait(a, saved, 1);
    assert_int_equal(a->saved_err.code, ERR_NONE);
    assert_non_null(strstr(a->kept, "x "));
    assert_non_null(strstr(a->lost, "lock")); /* said by name */
    assert_true(a->blob.len > 0);
    assert_int_equal(box_call(b, box_world.ops->load(b->s, a->blob.ptr, a->blob.len, &e)), 0);
    box_wait(b, restored, 1);
    assert_int_equal(b->restored_err.code, ERR_NONE);
    assert_non_null(strstr(b->kept, "x "));
    box_run(b, "print(x, 'lock' in globals())");
    assert_out(b, "{'deep': [1, 2]} False\n");
    box_free(a);
    box_free(b);
}

static void garbage_is_not_loaded(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_SAVE);
    struct box *b = box_open_default();
    static const char garbage[] = "\x80\x04\xff not a namespace";
    struct err e = ERR_INIT;
    (void)state;
    box_run(b, "x = 1");
    if (box_call(b, box_world.ops->load(b->s, garbage, sizeof garbage, &e)) == 0) {
        box_wait(b, restored, 1);
        assert_true(b->restored_err.code != ERR_NONE || b->kept[0] == '\0');
    }
    box_run(b, "print(x)");
    assert_exit(b, 0);
    assert_out(b, "1\n");
    box_free(b);
}

static void names_are_completed(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_COMPLETE);
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    box_run(b, "temperature_low = 1\ntemperature_high = 2\nimport math");
    assert_int_equal(
        box_call(b, box_world.ops->complete(b->s, "python", "print(temper", 12, 7, &e)), 0);
    box_wait(b, completed, 1);
    assert_non_null(strstr(b->names, "temperature_low"));
    assert_non_null(strstr(b->names, "temperature_high"));
    assert_int_equal(box_call(b, box_world.ops->complete(b->s, "python", "zzzz", 4, 9, &e)), 0);
    box_wait(b, completed, 2);
    assert_string_equal(b->names, "");
    box_free(b);
}

static void many_runs_keep_few_checkpoints(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "n = 0");
    for (int i = 0; i < 40; i++) {
        box_run(b, "n += 1");
        assert_exit(b, 0);
    }
    box_run(b, "import os\nprint(n)\n"
               "print(len([p for p in os.listdir('/proc') if p.isdigit()]) < 40)");
    assert_out(b, "40\nTrue\n");
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(state_survives),
    BOX_TEST(variables_are_reported),
    BOX_TEST(previews_call_no_code_of_the_user),
    BOX_TEST(changed_files_are_reported),
    BOX_TEST(goes_back_to_an_earlier_run),
    BOX_TEST(going_back_runs_nothing_again),
    BOX_TEST(going_back_to_nowhere_is_told),
    BOX_TEST(saved_state_lives_on_elsewhere),
    BOX_TEST(garbage_is_not_loaded),
    BOX_TEST(names_are_completed),
    BOX_TEST(many_runs_keep_few_checkpoints),
};

BOX_GROUP(tests)
